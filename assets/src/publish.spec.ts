// The body holds what was filled in and nothing else; the command survives a shell.
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { bodyOf, curlOf, emptyDraft } from './publish'

const draft = (parts: Partial<ReturnType<typeof emptyDraft>>) => ({ ...emptyDraft(), ...parts })

test('what was left empty is left out', () => {
  expect(bodyOf(draft({ to: ' 42 ', title: 'Hi' }))).toEqual({ to: '42', kind: 'message', title: 'Hi' })
})

test('one id, several, everyone', () => {
  const to = (text: string) => bodyOf(draft({ to: text })).to
  expect([to('42'), to('42, 43，@ann,'), to('*'), to('')]).toEqual(['42', ['42', '43', '@ann'], '*', ''])
})

test('every field has its place', () => {
  const body = bodyOf(
    draft({
      to: '42',
      kind: 'like',
      title: 'Bob liked your post',
      body: ' two\nlines ',
      url: '/t/1#991',
      actor_id: '7',
      actor_name: 'Bob',
      object_type: 'post',
      object_id: '991',
      key: 'like:991:7',
      group: 'like:991',
      data: '{"a":[]}',
      transient: true,
      expires_at: '2030-01-02T03:04',
    }),
  )
  expect(body).toEqual({
    to: '42',
    kind: 'like',
    title: 'Bob liked your post',
    body: ' two\nlines ',
    url: '/t/1#991',
    actor: { id: '7', name: 'Bob' },
    object: { type: 'post', id: '991' },
    key: 'like:991:7',
    group: 'like:991',
    data: { a: [] },
    transient: true,
    expires_at: new Date('2030-01-02T03:04').toISOString(),
  })
})

test('data that is no JSON is not sent as something else', () => {
  expect(bodyOf(draft({ data: '{oops' }))).not.toHaveProperty('data')
})

test('a shell hands curl the very body, whatever is in it', () => {
  const body = bodyOf(draft({ to: '42', title: `it's "$HOME" \`id\` \\ 你好 !! $(id)`, body: "line\n'two'" }))
  // In curl's place: prints each argument in brackets, which nothing above contains.
  const script = `curl() { printf '[%s]' "$@"; }\n${curlOf('https://bell.example', body)}`
  const printed = execFileSync('sh', ['-c', script], { env: { KEY: 'br_1_x' } }).toString()
  expect(printed).toBe(
    '[https://bell.example/api/v1/notifications]' +
      '[-H][Authorization: Bearer br_1_x][-H][Content-Type: application/json]' +
      `[-d][${JSON.stringify(body, null, 2)}]`,
  )
})
