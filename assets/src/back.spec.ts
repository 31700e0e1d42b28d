// Only paths of this app lead back.
import { expect, test } from 'vitest'
import { safeBack } from './back'

test.each(['/', '/sessions', '/account?x=1#y', '/nothing here'])('%s is kept', (path) => {
  expect(decodeURI(safeBack(path))).toBe(path)
})

test.each([
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/.//evil.example',
  '/a/..//evil.example',
  'javascript:alert(1)',
  'sessions',
  '',
  undefined,
  ['/sessions'],
])('%s leads to the start page', (path) => {
  expect(safeBack(path)).toBe('/')
})
