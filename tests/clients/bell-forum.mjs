// A forum of another origin with the strictest policy the bell promises to live with; its pages carry the bell in two lines.
import { createServer } from 'node:http'
import { after } from 'node:test'

const STYLE = `
  :root { color-scheme: light dark; }
  body { margin: 0; font: 16px/1.6 Georgia, 'Noto Serif CJK SC', serif; background: Canvas; color: CanvasText; }
  nav { display: flex; align-items: center; gap: 16px; padding: 4px 16px; border-bottom: 1px solid #8886; }
  nav bellrope-bell { margin-left: auto; }
  main { max-width: 44rem; margin: 2rem auto; padding: 0 16px; }
`

/**
 * Serves pages at `/` and below, all alike. `attributes` in the address go to the bell, e.g. `?token=…&lang=zh-CN`.
 * `styled` allows the forum its own style sheet, for pictures; without it the policy allows no style at all.
 */
export async function forum(bell, { styled = false } = {}) {
  const socket = bell.replace(/^http/, 'ws')
  const policy =
    `default-src 'none'; script-src ${bell}; connect-src ${bell} ${socket}; img-src ${bell}; ` +
    `require-trusted-types-for 'script'; trusted-types 'none'` +
    (styled ? "; style-src 'self'" : '')
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://forum')
    if (url.pathname === '/style.css') return response.setHeader('content-type', 'text/css').end(STYLE)
    // What a browser asks for by itself is no part of the story.
    if (url.pathname === '/favicon.ico') return response.writeHead(204).end()
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy })
    response.end(page(bell, url.searchParams, styled))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close().closeAllConnections())
  const origin = `http://127.0.0.1:${server.address().port}`
  return {
    origin,
    /** The address of a page whose bell has these attributes. */
    page: (attributes = {}, path = '/') => `${origin}${path}?${new URLSearchParams(attributes)}`,
  }
}

function page(bell, attributes, styled) {
  const written = [...attributes].map(([name, value]) => ` ${name}="${value.replace(/[&"<]/g, '')}"`).join('')
  return `<!doctype html>
<html lang="${attributes.get('lang') ?? 'en'}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>A forum</title>
    ${styled ? '<link rel="stylesheet" href="/style.css" />' : ''}
    <script type="module" src="${bell}/bell.js"></script>
  </head>
  <body>
    <nav><b>A forum</b><a href="/">Home</a><bellrope-bell${written}></bellrope-bell></nav>
    <main>
      <h1>Which rope for a tower bell</h1>
      <p>Hemp stretches, but it is kind to the hands. Polyester does not stretch, and lasts for twenty years.</p>
      <p><label>Answer <input name="answer" /></label></p>
    </main>
  </body>
</html>`
}
