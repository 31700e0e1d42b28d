// Which addresses from outside may become a link or a picture, whatever a server says.
import { expect, test } from 'vitest'
import { linkOf } from '../item'
import { safeUrl } from './url'

test.each(['https://forum.example/t/1#991', 'HTTP://forum.example/', 'http://[::1]:8080/?a=javascript:b'])(
  '%s is one',
  (url) => {
    expect(safeUrl(url)).toBe(new URL(url).href)
    expect(linkOf(url)).toBe(url)
  },
)

test.each([
  null,
  '',
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' javascript:alert(1)',
  '\u0001javascript:alert(1)',
  'java\tscript:alert(1)',
  'java\nscript:alert(1)',
  'javascript://forum.example/%0aalert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:msgbox(1)',
  'blob:https://forum.example/1',
  'file:///etc/passwd',
  'view-source:https://forum.example/',
])('%j is none', (url) => {
  expect(safeUrl(url)).toBeNull()
  expect(linkOf(url)).toBeNull()
})

test('what the bell finds without a scheme is an address of the page it hangs on', () => {
  expect(safeUrl('/t/1')).toBe(new URL('/t/1', document.baseURI).href)
  // Another host, but no other scheme: where it leads is where any link may lead.
  expect(safeUrl('//elsewhere.example/')).toMatch(/^https?:\/\/elsewhere\.example\/$/)
  expect(safeUrl('/\\elsewhere.example/')).toMatch(/^https?:\/\/elsewhere\.example\/$/)
})
