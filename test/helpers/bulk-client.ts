/** A shipper that writes down what was acknowledged: numbered records, so that each can be found again exactly once. */

export interface NumberedSender {
  /** Numbers of the records whose request was answered with success, as [first, past the last]. */
  readonly acknowledged: [number, number][];
  /** Records sent, whether or not they were answered. */
  readonly sent: number;
  /** Sends bulks on several connections until told to stop or a request fails; a failed bulk is not sent again. */
  run(url: string, until: Promise<unknown>): Promise<void>;
}

export function numberedSender(options: { dest: string; perBulk: number; connections: number }): NumberedSender {
  const { dest, perBulk, connections } = options;
  const acknowledged: [number, number][] = [];
  let next = 0;
  async function send(url: string, going: () => boolean): Promise<void> {
    while (going()) {
      const first = next;
      next += perBulk;
      try {
        const answer = await fetch(`${url}/_bulk`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson' },
          body: bulkBody(dest, first, perBulk),
        });
        const text = await answer.text();
        if (answer.status !== 200 || !text.includes('"errors":false')) throw new Error(text.slice(0, 500));
        acknowledged.push([first, first + perBulk]);
      } catch (error) {
        // A refused or cut connection is what a killed proxy looks like; anything else is not.
        if (!(error instanceof TypeError)) throw error;
        return;
      }
    }
  }
  return {
    acknowledged,
    get sent() {
      return next;
    },
    async run(url, until) {
      let going = true;
      void until.then(() => {
        going = false;
      });
      await Promise.all(Array.from({ length: connections }, () => send(url, () => going)));
    },
  };
}

const padding = 'GET /assets/application.css HTTP/1.1 200 12873 Mozilla/5.0 (X11; Linux x86_64; rv:140.0) '.repeat(3);

function bulkBody(dest: string, first: number, count: number): string {
  const lines: string[] = [];
  for (let n = first; n < first + count; n += 1) {
    lines.push(
      `{"create":{"_index":"${dest}"}}`,
      `{"@timestamp":"2026-11-23T21:00:00Z","n":${n},"message":"${padding}"}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
