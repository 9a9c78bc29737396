/**
 * One request to one node, answered whole into memory. Knows exactly whether the request was begun: undici calls
 * `onRequestStart` on a connected socket right before the first byte, and an abort in it sends nothing.
 * That line is what "certainly not applied" rests on: Elasticsearch may carry out parts of a bulk body while the rest arrives,
 * so anything after the first byte may have been applied.
 */
import type { Dispatcher } from 'undici';

export interface Answer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

export class RequestAttempt implements Dispatcher.DispatchHandler {
  /** True from the moment that bytes may have left. */
  began = false;
  readonly #answerBytesMax: number;
  #controller: Dispatcher.DispatchController | undefined;
  #failed: Error | undefined;
  #status = 0;
  #headers: Answer['headers'] = {};
  #chunks: Buffer[] = [];
  #bytes = 0;
  #settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  constructor(answerBytesMax: number) {
    this.#answerBytesMax = answerBytesMax;
  }

  run(pool: Dispatcher, options: Dispatcher.DispatchOptions, timeoutMs: number): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const timer = setTimeout(() => this.#fail(timeoutError(timeoutMs)), timeoutMs);
    try {
      pool.dispatch(options, this);
    } catch (error) {
      this.#fail(error as Error);
    }
    return answer.finally(() => clearTimeout(timer));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#failed !== undefined) {
      controller.abort(this.#failed);
      return;
    }
    this.#controller = controller;
    this.began = true;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Answer['headers']): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#answerBytesMax) {
      controller.abort(new RangeError(`answer longer than ${this.#answerBytesMax} bytes`));
      return;
    }
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
    this.#settle?.resolve({ status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#failed ??= error;
    this.#settle?.reject(this.#failed);
  }

  /** Not begun: the caller hears at once, and a socket that becomes free later finds the attempt over. */
  #fail(error: Error): void {
    this.#failed ??= error;
    if (this.#controller === undefined) this.#settle?.reject(this.#failed);
    else this.#controller.abort(this.#failed);
  }
}

function timeoutError(timeoutMs: number): Error {
  return Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'TIMEOUT' });
}
