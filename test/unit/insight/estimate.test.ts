import t from 'tap';
import { loadConfig } from '../../../src/config/load.ts';
import { checkClock } from '../../../src/insight/clock-check.ts';
import type { DeviceKind } from '../../../src/insight/disk-probe.ts';
import { judgeSync } from '../../../src/insight/disk-probe.ts';
import { estimate, estimateLines } from '../../../src/insight/estimate.ts';
import { untilCheck } from '../../../src/insight/key-check.ts';
import type { LogSample } from '../../../src/insight/log-sample.ts';
import { countOf, durationText, sizeText, timeText } from '../../../src/insight/words.ts';

const environment = {
  LOGSEAL_WAL_BYTES_MAX: '1GiB',
  LOGSEAL_WAL_RESERVE_BYTES: '64MiB',
  LOGSEAL_WAL_SEGMENT_BYTES: '16MiB',
};
const { config } = loadConfig({ environment });
const mebi = 1024 * 1024;
/** 1,000 records of 350 bytes in 10 s, 500 bytes each in the log. */
const sample: LogSample = {
  ...{ records: 1000, contentBytes: 350_000, logBytes: 500_000, firstMs: 5000, lastMs: 15_000 },
  ...{ destinations: ['logs'], newestMs: 5000 },
};

t.test('the estimate follows from the records that were measured', async (t) => {
  const found = estimate({ config, sample, hours: 24 });
  t.match(found, { recordsPerSecond: 100, recordBytes: 350, overheadBytes: 150, overheadMeasured: true });
  t.equal(found?.recordsPerDay, 8_640_000);
  t.equal(found?.logBytesPerDay, 8_640_000 * 500);
  t.equal(found?.outageBytes, 8_640_000 * 500 + 64 * mebi + 16 * mebi);
  t.equal(found?.walLastsMs, ((960 * mebi) / 50_000) * 1000);
  t.match(estimateLines(found!, config), [
    /1,000 records of the log, over 10 s/,
    /150 bytes beside it in the log \(measured\)/,
  ]);
});

t.test('what is given goes before what was measured, and is enough without a log', async (t) => {
  const given = estimate({ config, sample: undefined, hours: 2, recordsPerSecond: 10, recordBytes: 850 });
  t.match(given, { measuredRecords: 0, overheadMeasured: false, recordBytes: 850 });
  t.equal(given?.outageBytes, 10 * 7200 * (850 + (given?.overheadBytes ?? 0)) + 80 * mebi);
  t.match(estimate({ config, sample, hours: 1, recordsPerSecond: 7 }), { recordsPerSecond: 7, recordBytes: 350 });
  t.equal(estimate({ config, sample: undefined, hours: 1 }), undefined);
  t.equal(estimate({ config, sample: { ...sample, lastMs: 5500 }, hours: 1 }), undefined, 'half a second is no rate');
});

t.test('a disk that is too fast for what it is gets a warning, a slow one too', async (t) => {
  const status = (medianUs: number, kind: DeviceKind) =>
    judgeSync({ writes: 64, medianUs, slowestUs: medianUs }, kind).status;
  t.equal(status(8000, 'rotating'), 'ok');
  t.equal(status(200, 'rotating'), 'warn');
  t.equal(status(20, 'virtual'), 'warn');
  t.equal(status(2000, 'virtual'), 'ok');
  t.equal(status(40, 'solid'), 'ok');
  t.equal(status(3, 'solid'), 'warn');
  t.equal(status(3, 'unknown'), 'warn');
  t.equal(status(400_000, 'rotating'), 'warn');
  t.match(judgeSync({ writes: 64, medianUs: 8000, slowestUs: 9000 }, 'rotating').found, /64 writes .* 8\.0 ms each/);
});

t.test('what ends within a month is a warning, what has ended a failure', async (t) => {
  const day = 86_400_000;
  const status = (days: number) => untilCheck('keys', 'it', 1000 * day + days * day, 1000 * day, 'renew').status;
  t.strictSame([status(31), status(29), status(0), status(-1)], ['ok', 'warn', 'fail', 'fail']);
});

t.test('a clock that jumps, and one that is behind the log, get warnings', async (t) => {
  const clock = (wall: number, monotonic: number) => ({
    now: () => wall,
    monotonic: () => monotonic,
    after: () => ({ cancel() {} }),
  });
  const start = { wallMs: 100_000, monotonicMs: 50 };
  t.match(checkClock(start, 90_000, clock(101_000, 1050)), [{ status: 'ok' }]);
  t.match(checkClock(start, undefined, clock(160_000, 1050)), [{ status: 'warn', found: /moved by 59 s/ }]);
  t.match(checkClock(start, 201_000, clock(101_000, 1050)), [
    { status: 'ok' },
    { status: 'warn', found: /1 min 40 s ahead/ },
  ]);
});

t.test('numbers read as people read them', async (t) => {
  t.strictSame([sizeText(512), sizeText(1536), sizeText(150 * mebi)], ['512 bytes', '1.5 KiB', '150 MiB']);
  t.strictSame(
    [durationText(12), durationText(59_999), durationText(3_661_000), durationText(90_000_000)],
    ['12 ms', '59 s', '1 h 1 min', '1 days 1 h'],
  );
  t.strictSame([timeText(undefined), timeText(0)], ['-', '1970-01-01T00:00:00Z']);
  t.strictSame([countOf(1, 'seal'), countOf(1234, 'seal')], ['1 seal', '1,234 seals']);
});
