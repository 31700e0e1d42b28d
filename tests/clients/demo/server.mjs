// The demo page's own server: another origin than Bellrope's, and on request one that hands /api on, as its dev server did.
import { createReadStream } from 'node:fs'
import { createServer, request } from 'node:http'
import { join } from 'node:path'

const here = import.meta.dirname
const packages = join(here, '../node_modules')
const FILES = {
  '/': [join(here, 'index.html'), 'text/html'],
  '/page.js': [join(here, 'page.js'), 'text/javascript'],
  '/lib/vue.js': [join(packages, 'vue/dist/vue.min.js'), 'text/javascript'],
  '/lib/vuex.js': [join(packages, 'vuex/dist/vuex.min.js'), 'text/javascript'],
  '/lib/vue-router.js': [join(packages, 'vue-router/dist/vue-router.min.js'), 'text/javascript'],
  '/lib/axios.js': [join(packages, 'axios/dist/axios.min.js'), 'text/javascript'],
  '/lib/socket.io.js': [join(packages, 'socket.io-client-2/dist/socket.io.js'), 'text/javascript'],
}

/** Serves the page for the Bellrope at `bellrope`. The socket goes straight there in any case. */
export async function serveDemo(bellrope, { proxied }) {
  const settings = `const SETTINGS = ${JSON.stringify({ api: proxied ? '' : bellrope, socket: bellrope })}`
  const server = createServer((asked, answer) => {
    if (proxied && asked.url.startsWith('/api/')) return handOn(bellrope, asked, answer)
    if (asked.url === '/settings.js') return answer.setHeader('content-type', 'text/javascript').end(settings)
    const [file, type] = FILES[asked.url] ?? []
    if (file === undefined) return answer.writeHead(404).end()
    answer.setHeader('content-type', `${type}; charset=utf-8`)
    createReadStream(file).pipe(answer)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function handOn(bellrope, asked, answer) {
  const onward = request(bellrope + asked.url, { method: asked.method, headers: asked.headers }, (from) => {
    answer.writeHead(from.statusCode, from.headers)
    from.pipe(answer)
  })
  onward.on('error', () => answer.writeHead(502).end())
  asked.pipe(onward)
}
