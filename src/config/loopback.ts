/** Whether an address is reached from this machine only. Names that somebody's resolver decides about are not. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
