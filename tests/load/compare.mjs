#!/usr/bin/env node
// Bellrope beside the servers it is compared with: on this machine, in one run, through one load generator.
//
//   tests/load/compare.mjs                         everything: three rounds, 15 to 25 minutes
//   ROUNDS=1 SECONDS=2 SOCKETS=1000 tests/load/compare.mjs --only bellrope,node --runs insert,push
//
// In each round the servers take turns, each started for each run on an empty folder and warmed up; the order turns from
// round to round. It writes compare.md and compare.json (all that was measured) into the folder `compare` of cargo's target
// directory, and exits with 1 when a bar is not met or a run failed. It needs Rust, Node and npm, and installs the peers'
// packages itself; better-sqlite3 is compiled, for which a C++ compiler, make and Python have to be there.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { rows as allRows, runs as allRuns } from './compare/rows.mjs'
import { bench, build, cargoTarget, count, machine, usage } from './compare/run.mjs'
import { residentMb, servers as allServers, start, writeTokens } from './compare/servers.mjs'
import { judged, markdown } from './compare/table.mjs'

/** Those that were chosen of all, by a list with commas. */
function chosen(all, list, what) {
  const names = list?.split(',') ?? Object.keys(all)
  const odd = names.find((name) => !all[name])
  if (odd !== undefined) usage(`there is no ${what} "${odd}"; there are ${Object.keys(all).join(', ')}`)
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)))
}

/** Installs what the peers' lock file names, unless that is what is installed. */
function install(peers) {
  const [lock, installed] = [
    join(peers, 'package-lock.json'),
    join(peers, 'node_modules', '.bellrope-installed'),
  ]
  if (existsSync(installed) && readFileSync(lock).equals(readFileSync(installed))) return
  console.error("installing the peers' packages; better-sqlite3 is compiled, about two minutes")
  const npm = (...args) => execFileSync('npm', args, { cwd: peers, stdio: ['ignore', 'inherit', 'inherit'] })
  npm('ci', '--no-audit', '--no-fund')
  npm('rebuild', 'better-sqlite3', '--ignore-scripts=false')
  copyFileSync(lock, installed)
}

async function measure(program, run, server, folder, tokens) {
  const started = await start(server, folder)
  try {
    const started_mb = run.isCold ? await residentMb(started.pid) : undefined
    if (run.warmUp) await bench(program, run.warmUp, started, tokens, run.needsKey)
    const { report, fault } = await bench(program, run.args, started, tokens, run.needsKey)
    return { report: report && { ...report, started_mb }, fault }
  } finally {
    await started.stop()
  }
}

/** The servers take turns in each run, and another one begins in each round. */
async function* everything({ rounds, runs, servers, program, folder, tokens }) {
  const names = Object.keys(servers)
  for (let round = 0; round < rounds; round += 1) {
    for (const [run, asked] of Object.entries(runs)) {
      for (let turn = 0; turn < names.length; turn += 1) {
        const server = names[(turn + round) % names.length]
        // Without a store in it, a run would only be the same again.
        if (servers[server].isStoreOnly && !asked.isOfStore) continue
        const measured = await measure(program, asked, servers[server], folder, tokens).catch((error) => ({
          fault: error.message,
        }))
        yield { round, run, server, ...measured }
      }
    }
  }
}

const { values } = parseArgs({ options: { only: { type: 'string' }, runs: { type: 'string' } } })
const size = { rounds: count('ROUNDS', 3), seconds: count('SECONDS', 5), sockets: count('SOCKETS', 10_000) }
const runs = chosen(allRuns(size), values.runs, 'run')
const target = cargoTarget()
const release = build('--bin', 'bellrope', '--example', 'limit')
const [program, limit] = [join(release, 'bellrope'), join(release, 'examples', 'limit')]
const peers = join(import.meta.dirname, 'peers')
// Where npm puts it; the package's own script would only move it.
const bun = join(
  peers,
  `node_modules/@oven/bun-linux-${os.arch() === 'arm64' ? 'aarch64' : os.arch()}/bin/bun`,
)
const all = allServers({ program, limit, peers, bun })
const servers = chosen(all, values.only, 'server')
install(peers)

const out = join(target, 'compare')
mkdirSync(out, { recursive: true })
const folder = mkdtempSync(join(out, 'run-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const tokens = join(folder, 'tokens')
writeTokens(tokens, size.sockets)
const results = []
const faults = []
const began = Date.now()
for await (const result of everything({ rounds: size.rounds, runs, servers, program, folder, tokens })) {
  const { round, run, server, fault } = result
  const minutes = ((Date.now() - began) / 60_000).toFixed(1)
  console.error(`${minutes} min: round ${round + 1}, ${run}, ${server}${fault ? `: ${fault}` : ''}`)
  results.push(result)
  if (fault) faults.push(`round ${round + 1}, \`${run}\`, ${servers[server].title}: ${fault}`)
}

const titles = Object.fromEntries(Object.entries(all).map(([name, { title }]) => [name, title]))
const rows = judged(results, allRows(size), titles)
const words = `ROUNDS=${size.rounds} SECONDS=${size.seconds} SOCKETS=${size.sockets} tests/load/compare.mjs`
const command = [words, ...process.argv.slice(2)].join(' ')
const about = `\`${command}\`: medians of ${size.rounds} rounds on ${machine()}.`
const wrong = faults.length > 0 ? `\nWhat went wrong:\n${faults.map((fault) => `- ${fault}\n`).join('')}` : ''
const text = `${about}\n\n${markdown(rows, results, titles)}${wrong}`
writeFileSync(join(out, 'compare.md'), text)
writeFileSync(
  join(out, 'compare.json'),
  JSON.stringify({ command, machine: machine(), size, rows, results }, null, 1),
)
console.log(text)
console.error(`written to ${out}`)
const isUnmet = rows.some(({ musts }) => musts.some(({ isMet }) => isMet === false))
process.exitCode = isUnmet || faults.length > 0 ? 1 : 0
