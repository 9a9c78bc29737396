/** The first byte of each frame's payload says what it is. */
export const entryKinds = { records: 1, seal: 2, rejectDetail: 3 } as const;
