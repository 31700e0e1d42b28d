// What a member sees who comes by a browser: NAME logs in at ADDRESS with PASSWORD, and finds TITLES, newest first. It is
// asked by tests/packages, of a server that was installed.
import { test } from 'node:test'
import { member } from './app.mjs'
import { eventually } from './browser.mjs'

const { ADDRESS: url, NAME: name, PASSWORD: password, TITLES: wanted } = process.env

test(`${name} finds: ${wanted}`, async () => {
  const { one, page } = await member({ url }, name, { password, path: '/inbox' })
  const titles = async () => (await page.locator('li.item .open').allTextContents()).join(' | ')
  await eventually(titles, wanted, 'the titles in the list')
  await one.leave()
})
