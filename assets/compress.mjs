// Writes a `.br` and a `.gz` beside each built file where they save something, so that the server compresses nothing itself.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

// build.rs points this into cargo's own folder, as in vite.config.ts.
const dist = process.env.BELLROPE_WEB_OUT ?? 'dist'
const isText = /\.(css|html|js|svg|txt|webmanifest)$/

// Neither form holds a time or a name: the same file makes the same bytes.
const forms = {
  br: (text) =>
    brotliCompressSync(text, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
        [constants.BROTLI_PARAM_SIZE_HINT]: text.length,
      },
    }),
  gz: (text) => gzipSync(text, { level: 9 }),
}

for (const name of readdirSync(dist, { recursive: true }).filter((name) => isText.test(name))) {
  const text = readFileSync(join(dist, name))
  for (const [ending, form] of Object.entries(forms)) {
    const small = form(text)
    if (small.length < text.length) writeFileSync(join(dist, `${name}.${ending}`), small)
  }
}
