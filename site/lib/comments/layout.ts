/** Where notes stand in the margin: as near below the line that they are about as there is room. */

export interface Band {
  top: number;
  bottom: number;
}

export interface Wanted {
  /** Where its line is. */
  at: number;
  height: number;
}

/**
 * The top of each note, in the order of `wanted`, which is from above to below.
 *
 * No two overlap, and none overlaps a band of `taken`, which is what stands in the margin already.
 */
export function stack(wanted: readonly Wanted[], taken: readonly Band[], gap: number): number[] {
  const bands = [...taken].sort((a, b) => a.top - b.top);
  let free = -Infinity;
  return wanted.map(({ at, height }) => {
    let top = Math.max(at, free);
    for (const band of bands) {
      if (top < band.bottom + gap && top + height + gap > band.top) top = band.bottom + gap;
    }
    free = top + height + gap;
    return top;
  });
}
