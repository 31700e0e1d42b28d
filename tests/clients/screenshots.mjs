// Pictures of every page, wide and narrow, light and dark, in both languages: `npm run screenshots -- FOLDER`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { addAge, login, showsAge, visit } from './app.mjs'
import { eventually } from './browser.mjs'
import { world } from './world.mjs'

const folder = process.argv[2]
if (folder === undefined) throw new Error('name the folder for the pictures: npm run screenshots -- FOLDER')
mkdirSync(folder, { recursive: true })

const server = await world('--registration', 'open')

for (const locale of ['en', 'zh-CN']) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      test(`${locale} ${colorScheme} ${width}`, async () => {
        // A new account for each, so that every picture shows the same figures.
        await server.member('mei')
        const viewport = { width, height: width > 600 ? 800 : 844 }
        const one = await visit(server, { locale, colorScheme, viewport, reducedMotion: 'reduce' })
        const page = await one.page()
        const shoot = (name) =>
          page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}-${locale}.png`) })
        const open = async (name, path, ready = 'h1') => {
          await page.goto(server.url + path)
          await page.waitForSelector(ready)
          await shoot(name)
        }
        await open('login', '/login')
        await open('register', '/register', 'form')
        await open('setup', `/setup${new URL(await server.setupLink()).hash}`, 'form')
        await open('setup-missing', '/setup', '.notice')
        await open('docs', '/api/docs', '.opblock')

        await page.goto(`${server.url}/login`)
        await login(page, 'mei')
        await page.waitForSelector('[data-testid=connection][data-state=live]')
        for (const age of [1, 2]) {
          await addAge(page)
          await showsAge(page, age)
        }
        const listed = () => page.locator('[data-testid=heard] li[data-kind=age]').count()
        await eventually(listed, 2, 'both numbers are in the list')
        await page.mouse.move(0, 0)
        await shoot('counter')
        await open('sessions', '/sessions', '.session')
        await page.click('.session button.danger >> nth=0')
        await page.waitForSelector('[role=alertdialog]')
        await shoot('sessions-confirm')
        await open('account', '/account', 'dl')
        await open('missing', '/no/such/page')
        await one.leave()
        await server.user('remove', 'mei')
      })
    }
  }
}
