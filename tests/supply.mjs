// What may be built into the web app: the npm side of tests/supply, beside deny.toml.
// Reads lock files only, so it needs no node_modules and no network.
import { existsSync, readFileSync } from 'node:fs'

const WEB_APP = 'assets/package-lock.json'
const LOCK_FILES = [WEB_APP, 'tests/clients/package-lock.json', 'tests/load/peers/package-lock.json']

// The oldest release allowed, wherever it stands in the web app's tree.
const FLOORS = {
  'socket.io-parser': '4.2.7', // 4.0.0 to 4.2.6: CVE-2026-69185
}

// Bellrope is MIT. These ask for no more than to be named, so MIT may carry them.
const LICENSES = [
  'MIT',
  'Apache-2.0',
  'ISC',
  'BSD-2-Clause', // entities, below Vue's template compiler
  'BSD-3-Clause', // source-map-js, below Vue's template compiler
  '0BSD', // tslib
]

// Packages whose licence npm cannot read, and what a person read instead.
const READ_BY_HAND = {
  'xmlhttprequest-ssl': 'MIT', // package.json has the old `licenses` list; for Node alone, not in the browser's bundle
}

const faults = []
const used = new Set()

function older(version, floor) {
  const [core, prerelease] = version.split('-')
  const [a, b] = [core, floor].map((text) => text.split('.').map(Number))
  for (let i = 0; i < 3; i++) if (a[i] !== b[i]) return a[i] < b[i]
  return prerelease !== undefined
}

function packages(lockFile) {
  return Object.entries(JSON.parse(readFileSync(lockFile, 'utf8')).packages)
    .filter(([path, entry]) => path !== '' && !entry.inBundle)
    .map(([path, entry]) => ({ ...entry, name: entry.name ?? path.replace(/^.*node_modules\//, '') }))
}

for (const lockFile of LOCK_FILES.filter(existsSync)) {
  for (const { name, version, integrity, resolved } of packages(lockFile)) {
    // A registry's package is a name and a hash, and .npmrc keeps the address out. What came from git, a folder or a
    // tarball has no hash, or brings its own address.
    if (!integrity?.startsWith('sha512-') || resolved !== undefined)
      faults.push(`${lockFile}: ${name} ${version} does not come from the registry by its hash alone`)
  }
}

const shipped = packages(WEB_APP).filter((entry) => !entry.dev)
for (const { name, version, license } of shipped) {
  if (name in FLOORS) {
    used.add(name)
    if (older(version, FLOORS[name])) faults.push(`${name} ${version} is below the floor ${FLOORS[name]}`)
  }
  const known = license ?? READ_BY_HAND[name]
  used.add(license === undefined ? name : license)
  used.add(known)
  if (!LICENSES.includes(known)) faults.push(`${name} ${version} has a licence that is not allowed: ${known ?? 'none named'}`)
}
for (const rule of [...Object.keys(FLOORS), ...LICENSES, ...Object.keys(READ_BY_HAND)]) {
  if (!used.has(rule)) faults.push(`the rule for ${rule} meets no package: take it out`)
}

for (const fault of faults) console.error(`npm: ${fault}`)
if (faults.length > 0) process.exit(1)
console.log(`npm ok: ${shipped.length} packages in the web app`)
