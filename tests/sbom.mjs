// What packaging/sbom.mjs writes is a CycloneDX 1.6 document that names everything once and nothing that is not there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const make = () => execFileSync('node', ['packaging/sbom.mjs'], { encoding: 'utf8', maxBuffer: 1 << 27 })
const text = make()
assert.equal(make(), text, 'made again it is the same, byte for byte')
const sbom = JSON.parse(text)

assert.equal(sbom.bomFormat, 'CycloneDX')
assert.equal(sbom.specVersion, '1.6')
assert.equal(sbom.version, 1)
assert.match(sbom.serialNumber, /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
const self = sbom.metadata.component
const version = /^version = "(.*)"$/m.exec(readFileSync('Cargo.toml', 'utf8'))[1]
assert.deepEqual([self.type, self.name, self.version], ['application', 'bellrope', version])

const lock = readFileSync('Cargo.lock', 'utf8')
const web = JSON.parse(readFileSync('assets/package-lock.json', 'utf8')).packages
const hex = { 'SHA-256': /^[0-9a-f]{64}$/, 'SHA-512': /^[0-9a-f]{128}$/ }
const refs = new Set([self['bom-ref']])
for (const component of sbom.components) {
  const { 'bom-ref': ref, type, name, version, scope, purl, hashes, licenses } = component
  assert.ok(!refs.has(ref), `${ref} is there twice`)
  refs.add(ref)
  assert.equal(type, 'library', ref)
  assert.match(purl, /^pkg:(cargo\/[\w-]+|npm\/(%40[\w.-]+\/)?[\w.-]+)@\d+\.\d+\.\d+[\w.+-]*$/)
  assert.ok(['required', 'excluded'].includes(scope), ref)
  assert.equal(hashes.length, 1, ref)
  const [{ alg, content }] = hashes
  assert.match(content, hex[alg], ref)
  if (purl.startsWith('pkg:cargo'))
    assert.ok(lock.includes(`name = "${name}"\nversion = "${version}"\n`) && lock.includes(content), ref)
  // The one package that npm has no licence of; tests/supply.mjs says what it is.
  if (name !== 'xmlhttprequest-ssl') assert.match(licenses?.[0]?.expression ?? '', /^[\w.() -]+$/, ref)
}
assert.deepEqual(
  sbom.dependencies.map(({ ref }) => ref).toSorted(),
  [...refs].toSorted(),
  'each says what it depends on',
)
const reached = new Set()
const uses = new Map(sbom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]))
const reach = (ref) => {
  assert.ok(refs.has(ref), `${ref} is used and not named`)
  if (reached.has(ref)) return
  reached.add(ref)
  uses.get(ref).forEach(reach)
}
reach(self['bom-ref'])
assert.deepEqual([...refs].filter((ref) => !reached.has(ref)), [], 'used by nobody')

const scopeOf = (prefix) => sbom.components.find(({ purl }) => purl.startsWith(`${prefix}@`))?.scope
const SCOPES = {
  'pkg:cargo/redb': 'required',
  'pkg:cargo/socketioxide': 'required',
  'pkg:cargo/aws-lc-sys': 'required', // below jsonwebtoken, and mostly C
  'pkg:npm/vue': 'required',
  'pkg:npm/%40vue/runtime-dom': 'required',
  'pkg:npm/swagger-ui-dist': 'required',
  'pkg:cargo/cc': 'excluded', // runs while aws-lc is built
  'pkg:cargo/serde_derive': 'excluded', // a macro
  'pkg:cargo/proptest': undefined, // of the tests
  'pkg:npm/vitest': undefined,
}
for (const [purl, scope] of Object.entries(SCOPES)) assert.equal(scopeOf(purl), scope, purl)
const shipped = Object.entries(web)
  .filter(([path, { dev }]) => path !== '' && !dev)
  .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`)
const npm = sbom.components.filter(({ purl }) => purl.startsWith('pkg:npm'))
assert.deepEqual(
  npm.map(({ name, version }) => `${name}@${version}`).toSorted(),
  [...new Set(shipped)].toSorted(),
  'every package of the web app',
)
console.log(`sbom ok: ${sbom.components.length} components`)
