#!/usr/bin/env node
// How the cost of Bellrope grows: with its sockets, its members, and the recipients of one notification. Charts, as SVG.
//
//   tests/load/scale.mjs FOLDER                    up to 10,000 sockets; three rounds, about eight minutes
//   SOCKETS=50000 tests/load/scale.mjs FOLDER      where a process may open so many files
//   ROUNDS=1 SECONDS=2 tests/load/scale.mjs FOLDER in a hurry
//
// A figure is the median of the rounds, in which the sizes take turns. It writes the charts and scale.json into FOLDER. What
// an inbox costs by its length, `cargo bench --bench inbox` tells.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './compare/chart.mjs'
import { bench, build, count, machine, usage } from './compare/run.mjs'
import { servers, start, writeTokens } from './compare/servers.mjs'
import { median } from './compare/table.mjs'

const out = process.argv[2] ?? usage('name the folder for the charts: tests/load/scale.mjs FOLDER')
const [rounds, seconds, most] = [count('ROUNDS', 3), count('SECONDS', 5), count('SOCKETS', 10_000)]
const sockets = [1000, 3000, 10_000, 50_000].filter((size) => size <= most)
const recipients = [1, 10, 100, 1000, 10_000].filter((size) => size <= most)

/** Each line is one figure of one kind of run, at each size. */
const CHARTS = [
  {
    file: 'idle',
    title: 'Memory of a connected idle socket, KiB',
    x: 'sockets',
    sizes: sockets,
    lines: { idle: { args: ['idle', '--seconds', 3], figure: (report) => report.server_kib_a_socket } },
  },
  {
    file: 'insert',
    title: 'Durable changes a second, 64 callers',
    x: 'members, each with a socket',
    sizes: sockets,
    lines: {
      insert: { args: ['insert', '--seconds', seconds], figure: (report) => report.inserts_a_second },
    },
  },
  {
    file: 'push',
    title: 'CPU a push at 1,000 a second, µs',
    x: 'sockets',
    sizes: sockets,
    lines: Object.fromEntries(
      ['durable', 'transient'].map((kind) => [
        kind,
        {
          args: ['push', '--send', kind, '--rate', 1000, '--seconds', seconds],
          figure: (report) => report.server_cpu_us_a_push,
        },
      ]),
    ),
  },
  {
    file: 'recipients',
    title: 'One publish, µs a recipient',
    x: 'recipients, each with a socket',
    sizes: recipients,
    lines: Object.fromEntries(
      ['durable', 'transient'].map((kind) => [
        kind,
        {
          args: ['fanout', '--send', kind, '--seconds', seconds],
          figure: (report) => 1e6 / report.messages_a_second,
        },
      ]),
    ),
  },
]

const program = join(build('--bin', 'bellrope'), 'bellrope')
mkdirSync(out, { recursive: true })
const folder = mkdtempSync(join(out, '.run-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const { bellrope } = servers({ program })

async function measure({ args, figure }, size) {
  const tokens = join(folder, 'tokens')
  writeTokens(tokens, size)
  const server = await start(bellrope, folder)
  try {
    const { report, fault } = await bench(program, [...args, '--sockets', size], server, tokens, true)
    if (fault) throw new Error(fault)
    return figure(report)
  } finally {
    await server.stop()
  }
}

const measured = []
for (let round = 0; round < rounds; round += 1) {
  for (const { file, sizes, lines } of CHARTS) {
    for (const size of sizes) {
      for (const [name, line] of Object.entries(lines)) {
        const value = await measure(line, size)
        console.error(`round ${round + 1}, ${file}, ${name}, ${size}: ${value.toPrecision(3)}`)
        measured.push({ round, file, name, size, value })
      }
    }
  }
}

for (const { file, title, x, sizes, lines } of CHARTS) {
  const of = (name, size) =>
    measured.filter((one) => one.file === file && one.name === name && one.size === size)
  const series = Object.keys(lines).map((name) => ({
    name,
    points: sizes.map((size) => [size, median(of(name, size).map(({ value }) => value))]),
  }))
  writeFileSync(join(out, `${file}.svg`), chart({ title, x, series }))
}
writeFileSync(
  join(out, 'scale.json'),
  `${JSON.stringify({ machine: machine(), rounds, seconds, measured }, null, 1)}\n`,
)
