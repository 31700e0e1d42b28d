// One HTTP request, bounded, with every header in the test's own hand (`fetch` would not let it choose all of them).
import { request } from 'node:http'

/** Longer than any answer takes on a busy machine; a request that hangs must not hang the run. */
const answer_ms_max = 20_000

/** Asks `url`; a plain object as `body` goes as JSON. Never rejects for a status: a refusal is an answer. */
export function ask(url, { method = 'GET', token, body, headers = {}, agent } = {}) {
  const sent = { ...headers }
  if (token !== undefined) sent.authorization = `Bearer ${token}`
  let bytes
  if (body !== undefined) {
    bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    sent['content-type'] ??= 'application/json'
    sent['content-length'] = bytes.length
  }
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers: sent, agent }, async (answer) => {
      try {
        const parts = []
        for await (const part of answer) parts.push(part)
        const text = Buffer.concat(parts).toString()
        resolve({ status: answer.statusCode, headers: answer.headers, text, json: parsed(text) })
      } catch (error) {
        reject(error)
      }
    })
    asked.setTimeout(answer_ms_max, () => asked.destroy(new Error(`no answer from ${method} ${url}`)))
    asked.on('error', reject)
    asked.end(bytes)
  })
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
