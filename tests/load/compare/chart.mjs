// A chart as SVG: figures over a logarithmic axis, one or two lines, in the colours of whoever looks.

const [WIDTH, HEIGHT] = [420, 250]
const FRAME = { left: 62, right: 24, top: 52, bottom: 44 }
const INNER = { width: WIDTH - FRAME.left - FRAME.right, height: HEIGHT - FRAME.top - FRAME.bottom }
/** Between two names in the legend. */
const LEGEND_STEP = 90
const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #475569 }
    .title { font-weight: 600; fill: #0f172a }
    .grid { stroke: #e2e8f0 }
    .line0 { stroke: #2563eb; fill: #2563eb }
    .line1 { stroke: #d97706; fill: #d97706 }
    polyline { fill: none !important; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
      text { fill: #94a3b8 }
      .title { fill: #f1f5f9 }
      .grid { stroke: #334155 }
    }`

/** `series` is `[{ name, points: [[x, y], ...] }]` with the same x; y begins at 0. */
export function chart({ title, x, series }) {
  const sizes = series[0].points.map(([size]) => size)
  const [least, most] = [sizes[0], sizes.at(-1)]
  const top = ceiling(Math.max(...series.flatMap(({ points }) => points.map(([, value]) => value))))
  const across = (size) => round(FRAME.left + INNER.width * (Math.log(size / least) / Math.log(most / least)))
  const down = (value) => round(FRAME.top + INNER.height * (1 - value / top))
  const text = (at, words, anchor = 'middle') =>
    `<text x="${at[0]}" y="${at[1]}" text-anchor="${anchor}">${words}</text>`
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = down(top * part)
    const line = `<line class="grid" x1="${FRAME.left}" x2="${WIDTH - FRAME.right}" y1="${y}" y2="${y}"/>`
    return line + text([FRAME.left - 8, y + 4], plain(top * part), 'end')
  })
  const ticks = sizes.map((size) => text([across(size), HEIGHT - FRAME.bottom + 18], plain(size)))
  const lines = series.map(({ points }, number) => {
    const drawn = points.map(([size, value]) => [across(size), down(value)])
    const dots = drawn.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3"/>`)
    return `<g class="line${number}"><polyline points="${drawn.join(' ')}"/>${dots.join('')}</g>`
  })
  const legend = series.map(({ name }, number) => {
    const left = FRAME.left + number * LEGEND_STEP
    return `<circle class="line${number}" cx="${left}" cy="34" r="4"/>` + text([left + 9, 38], name, 'start')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${title}</title>`,
    `<style>${STYLE}\n</style>`,
    `<text class="title" x="12" y="18">${title}</text>`,
    ...(series.length > 1 ? legend : []),
    ...grid,
    ...ticks,
    text([FRAME.left + INNER.width / 2, HEIGHT - 6], x),
    ...lines,
    '</svg>\n',
  ].join('\n')
}

/** The next of 1, 2, 4 or 8 times a power of ten: each parts well in four. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 4, 8, 10].map((step) => step * power).find((step) => step >= value)
}

function plain(number) {
  return Number(number.toPrecision(3)).toLocaleString('en')
}

function round(number) {
  return Math.round(number * 10) / 10
}
