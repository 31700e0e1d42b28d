// What Bellrope is made of, as a CycloneDX 1.6 document on stdout: `node packaging/sbom.mjs [TARGET] > bellrope.cdx.json`.
// Reads Cargo.lock, what cargo knows of the crates, and the web app's lock file; needs cargo, and no node_modules.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const read = (path) => readFileSync(join(root, path), 'utf8')
const run = (...args) => execFileSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 27 })

const licences = (named) =>
  // Some crates still write "MIT/Apache-2.0", from before there were expressions.
  named ? { licenses: [{ expression: named.replaceAll('/', ' OR ') }] } : {}

/** Crates that are in the program for this target (`required`), or ran while it was built (`excluded`). */
function crates(target) {
  // Only this names what is really built: `cargo metadata` counts what the tests switch on as well.
  const built = (edges) =>
    new Set(
      run('tree', '--locked', '--target', target, '--edges', edges, '--prefix', 'none', '--format', '{p}')
        .split('\n')
        .map((line) => line.split(' ').slice(0, 2).join('@').replace('@v', '@')),
    )
  const all = built('normal,build')
  const linked = built('normal,no-proc-macro')
  const { packages, resolve } = JSON.parse(
    run('metadata', '--locked', '--format-version', '1', '--filter-platform', target),
  )
  const nameOf = ({ name, version }) => `${name}@${version}`
  const byId = new Map(packages.map((one) => [one.id, one]))
  const isBuilt = (id) => all.has(nameOf(byId.get(id)))
  const refOf = (id) => `pkg:cargo/${nameOf(byId.get(id))}`
  const edges = new Map(
    resolve.nodes
      .filter(({ id }) => isBuilt(id))
      .map(({ id, deps }) => {
        const used = deps.filter((dep) => isBuilt(dep.pkg) && dep.dep_kinds.some(({ kind }) => kind !== 'dev'))
        return [refOf(id), used.map(({ pkg }) => refOf(pkg)).toSorted()]
      }),
  )
  const sums = checksums()
  const component = (one) => ({
    type: 'library',
    'bom-ref': refOf(one.id),
    name: one.name,
    version: one.version,
    scope: linked.has(nameOf(one)) ? 'required' : 'excluded',
    hashes: [{ alg: 'SHA-256', content: sums.get(nameOf(one)) }],
    ...licences(one.license),
    purl: refOf(one.id),
  })
  const others = packages.filter(({ id }) => id !== resolve.root && isBuilt(id))
  return { program: byId.get(resolve.root), components: others.map(component), edges }
}

/** Of each crate in Cargo.lock, by name and version. */
function checksums() {
  const blocks = read('Cargo.lock').split('[[package]]').slice(1)
  const field = (block, name) => new RegExp(`^${name} = "(.*)"$`, 'm').exec(block)?.[1]
  return new Map(
    blocks.map((block) => [`${field(block, 'name')}@${field(block, 'version')}`, field(block, 'checksum')]),
  )
}

/** npm packages that the web app, the bell and the client are built from. */
function packages() {
  const all = JSON.parse(read('assets/package-lock.json')).packages
  const nameOf = (path) => path.replace(/^.*node_modules\//, '')
  const refOf = (path) => `pkg:npm/${nameOf(path).replace('@', '%40')}@${all[path].version}`
  // Where Node would look: below the package itself, then a folder up, and so on.
  const found = (path, name) => {
    const inside = `${path && `${path}/`}node_modules/${name}`
    if (inside in all) return inside
    return path === '' ? undefined : found(path.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, ''), name)
  }
  const uses = (path) =>
    [all[path].dependencies, all[path].peerDependencies, all[path].optionalDependencies]
      .flatMap((names) => Object.keys(names ?? {}))
      .map((name) => found(path, name))
      .filter((other) => other !== undefined && !all[other].dev)
      .map(refOf)
  // One that is installed in two places is one component.
  const places = Object.keys(all).filter((path) => path !== '' && !all[path].dev)
  const shipped = [...new Map(places.map((path) => [refOf(path), path])).values()]
  const component = (path) => ({
    type: 'library',
    'bom-ref': refOf(path),
    name: nameOf(path),
    version: all[path].version,
    scope: 'required',
    hashes: [{ alg: 'SHA-512', content: Buffer.from(all[path].integrity.slice(7), 'base64').toString('hex') }],
    ...licences(all[path].license),
    purl: refOf(path),
  })
  const edges = new Map(shipped.map((path) => [refOf(path), [...new Set(uses(path))].toSorted()]))
  return { components: shipped.map(component), edges, direct: uses('') }
}

const host = () => /^host: (.*)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))[1]
const target = process.argv[2] ?? host()
const rust = crates(target)
const web = packages()
const { name, version, license } = rust.program
const self = `pkg:cargo/${name}@${version}`
rust.edges.set(self, [...rust.edges.get(self), ...web.direct].toSorted())

const byRef = (a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)
const components = [...rust.components, ...web.components].toSorted(byRef)
const dependencies = [...rust.edges, ...web.edges]
  .map(([ref, dependsOn]) => ({ ref, dependsOn }))
  .toSorted((a, b) => (a.ref < b.ref ? -1 : 1))
// The same contents, the same number: nothing in the document depends on when or where it was made.
const sum = createHash('sha256').update(JSON.stringify({ components, dependencies })).digest('hex')
const uuid = `${sum.slice(0, 8)}-${sum.slice(8, 12)}-8${sum.slice(13, 16)}-8${sum.slice(17, 20)}-${sum.slice(20, 32)}`

const document = {
  $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  serialNumber: `urn:uuid:${uuid}`,
  version: 1,
  metadata: {
    component: {
      type: 'application',
      'bom-ref': self,
      name,
      version,
      ...licences(license),
      purl: self,
      properties: [{ name: 'bellrope:target', value: target }],
    },
  },
  components,
  dependencies,
}
process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
