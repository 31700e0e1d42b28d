// Medians, ratios, and whether each bar is met, as Markdown.

/** A result is one run: `{round, run, server, report, fault}`. `titles` are every server's, measured or not. */
export function judged(results, rows, titles) {
  const names = Object.keys(titles)
  return rows
    .filter((row) => results.some((result) => result.run === row.run))
    .map((row) => {
      const medians = {}
      for (const name of names) {
        const figures = results.filter(
          ({ run, server, report }) => run === row.run && server === name && report,
        )
        medians[name] = median(figures.map(({ report }) => row.figure(report)))
      }
      const judge = (bar) => verdict(bar, row, medians, titles)
      return { title: row.title, medians, musts: row.musts.map(judge), near: row.near && judge(row.near) }
    })
}

export function median(figures) {
  const sorted = figures.filter(Number.isFinite).sort((one, other) => one - other)
  if (sorted.length === 0) return undefined
  const middle = (sorted.length - 1) / 2
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2
}

/** `isMet` is undefined where a server it needs was not measured. */
function verdict({ times, of, isMore }, { isMore: isMoreBetter }, medians, titles) {
  const own = medians.bellrope
  const sign = isMore ? '≥' : '≤'
  const isWithin = (value) => (value === undefined ? undefined : isMore ? value >= times : value <= times)
  if (!of) return { text: `${sign} ${times}`, isMet: isWithin(own) }
  const name = of === 'best' ? bestPeer(medians, isMoreBetter) : of
  const ratio = own === undefined || !medians[name] ? undefined : own / medians[name]
  const whom = of === 'best' ? `the best peer${name ? ` (${titles[name]})` : ''}` : titles[name]
  const is = ratio === undefined ? 'not measured' : `${plain(ratio)}x`
  return { text: `${sign} ${times}x ${whom}: ${is}`, ratio, isMet: isWithin(ratio) }
}

function bestPeer(medians, isMoreBetter) {
  const peers = Object.keys(medians).filter(
    (name) => name !== 'bellrope' && name !== 'limit' && medians[name] !== undefined,
  )
  const order = (one, other) => (isMoreBetter ? medians[other] - medians[one] : medians[one] - medians[other])
  return peers.sort(order)[0]
}

export function markdown(rows, results, titles) {
  const names = Object.keys(titles).filter((name) => results.some(({ server }) => server === name))
  const heads = ['', ...names.map((name) => titles[name]), 'must', 'near']
  const cells = rows.map(({ title, medians, musts, near }) => [
    title,
    ...names.map((name) => plain(medians[name])),
    musts.map(told).join('<br>'),
    near ? told(near) : '',
  ])
  return `${table(heads, cells)}\n\n${loadTable(results, names, titles)}\n`
}

/** What the load generator itself took of the machine: where it is the slowest part, a figure is its own. */
function loadTable(results, names, titles) {
  const runs = [...new Set(results.map(({ run }) => run))]
  const heads = ['the load itself: cores, and p99 of its lag in ms', ...names.map((name) => titles[name])]
  const cell = (run, name) => {
    const reports = results.filter((result) => result.run === run && result.server === name && result.report)
    if (reports.length === 0) return ''
    const cores = median(reports.map(({ report }) => report.own_cores))
    return `${cores.toFixed(2)}, ${plain(median(reports.map(({ report }) => report.own_lag_us.p99 / 1e3)))}`
  }
  return table(
    heads,
    runs.map((run) => [`\`${run}\``, ...names.map((name) => cell(run, name))]),
  )
}

function told({ text, isMet }) {
  if (isMet === undefined) return text
  return `${text}, ${isMet ? 'met' : '**not met**'}`
}

function table(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

/** Three digits that count. */
function plain(number) {
  if (number === undefined) return ''
  if (number >= 100) return Math.round(number).toLocaleString('en')
  return String(Number(number.toPrecision(3)))
}
