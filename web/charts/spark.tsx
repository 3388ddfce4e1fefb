/** A small picture of counts over time. */

export function Spark({ counts, level, name }: { counts: readonly number[]; level: string; name: string }) {
  const top = Math.max(1, ...counts)
  const width = 2
  const bars = counts
    .map((count, i) =>
      count > 0
        ? `M${i * width} 20h${width - 0.4}v${(-Math.max(1, (count / top) * 19)).toFixed(1)}h${-(width - 0.4)}z`
        : '',
    )
    .join('')
  return (
    <svg
      class={`spark s-${level}`}
      viewBox={`0 0 ${counts.length * width} 20`}
      preserveAspectRatio="none"
      role="img"
      aria-label={name}
    >
      <path d={bars} />
    </svg>
  )
}
