/** The one place that reads the environment of the process; everything else is given it. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}
