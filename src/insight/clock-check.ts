/** Looks at this machine's clock: whether it jumps while one looks, and whether it is behind what the log has seen. */
import type { Clock } from '../lib/clock.ts';
import type { Check } from './check.ts';
import { durationText, timeText } from './words.ts';

const area = 'clock';
const jumpMsMax = 100;
const behindMsMax = 2_000;

export interface ClockStart {
  wallMs: number;
  monotonicMs: number;
}

export function startClock(clock: Clock): ClockStart {
  return { wallMs: clock.now(), monotonicMs: clock.monotonic() };
}

/** `seenMs`: the newest time that stands in the log. */
export function checkClock(start: ClockStart, seenMs: number | undefined, clock: Clock): Check[] {
  const nowMs = clock.now();
  const elapsedMs = clock.monotonic() - start.monotonicMs;
  const jumpMs = Math.abs(nowMs - start.wallMs - elapsedMs);
  const checks: Check[] = [];
  if (jumpMs > jumpMsMax) {
    const found = `it moved by ${durationText(jumpMs)} against the monotonic clock within ${durationText(elapsedMs)}`;
    checks.push({ area, status: 'warn', found, advice: 'let NTP slew it and not step it' });
  } else checks.push({ area, status: 'ok', found: `${timeText(nowMs)}, steady over ${durationText(elapsedMs)}` });
  if (seenMs !== undefined && seenMs - nowMs > behindMsMax) {
    const found = `the log has a time of ${timeText(seenMs)}, which is ${durationText(seenMs - nowMs)} ahead of the clock now`;
    const advice = 'set the clock right; a chain goes on with its last time until the clock has passed it';
    checks.push({ area, status: 'warn', found, advice });
  }
  return checks;
}
