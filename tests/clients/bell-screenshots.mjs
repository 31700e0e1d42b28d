// Pictures of the bell on a forum's page, in each of its states: `node bell-screenshots.mjs FOLDER`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bells, choose, isOffline, notice, open, shows, showsBadge, showsNotice } from './bell-page.mjs'

const folder = process.argv[2]
if (folder === undefined)
  throw new Error('name the folder for the pictures: node bell-screenshots.mjs FOLDER')
mkdirSync(folder, { recursive: true })

const WORDS = {
  en: {
    names: ['Bob', 'Clara', 'Dev', 'Erin', 'Finn'],
    welcome: ['Welcome to the forum', 'Read the rules of the house before your first post.'],
    mention: [
      'Dev mentioned you in “Which rope for a tower bell”',
      '@you What you said about hemp: how many years did yours last, and where did you buy it? The shop in our town has closed.',
    ],
    like: (name) => `${name} liked your post`,
    reply: ['Clara replied to you', 'I went for polyester in the end.'],
    muteKind: 'Mute all “like”',
    muted: /like/,
    mutes: 'Muted',
    back: 'Back',
  },
  'zh-CN': {
    names: ['小明', '阿芳', '老王', '静怡', '李雷'],
    welcome: ['欢迎加入论坛', '请先阅读版规，再发第一帖。'],
    mention: ['老王在“塔钟用什么绳”中提到了你', '@你 上次说的麻绳，用了多少年？在哪里买的？'],
    like: (name) => `${name}赞了你的帖子`,
    reply: ['阿芳回复了你', '我换成涤纶绳了，二十年不用换。'],
    muteKind: '屏蔽所有“like”',
    muted: /like/,
    mutes: '已屏蔽',
    back: '返回',
  },
}

const rope = await bells({ styled: true })

for (const [lang, say] of Object.entries(WORDS)) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390, 320]) {
      test(`${lang} ${colorScheme} ${width}`, async () => {
        const id = `mei-${lang}-${colorScheme}-${width}`
        const viewport = { width, height: width > 600 ? 800 : 844 }
        const one = await rope.visitor({ locale: lang, colorScheme, viewport, reducedMotion: 'reduce' })
        const page = await rope.page(one, { token: rope.token(id), lang })
        const shoot = (name) =>
          page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}-${lang}.png`) })
        await open(page)
        await shows(page, [])
        await shoot('bell-empty')
        await page.keyboard.press('Escape')

        const actor = (n) => ({ id: String(n), name: say.names[n] })
        const tell = (kind, [title, body], rest) => rope.publish(id, title, { kind, body, ...rest })
        await tell('system', say.welcome)
        await tell('mention', say.mention, { actor: actor(2) })
        for (const n of [0, 1, 3, 4])
          await tell('like', [say.like(say.names[n])], { actor: actor(n), group: 'like:9' })
        await tell('reply', say.reply, { actor: actor(1) })
        await showsBadge(page, '4')
        await shoot('bell-toasts')

        await open(page)
        await showsBadge(page, '')
        await page.locator('.row').first().waitFor()
        await shoot('bell-list')
        await page.locator('.row .more').nth(1).click()
        await shoot('bell-menu')
        await page.keyboard.press('Escape')
        await choose(page, say.like(say.names[4]), say.muteKind)
        await showsNotice(page, say.muted)
        await shoot('bell-muted')
        await page.click(`button[aria-label="${say.mutes}"]`)
        await page.locator('.mutes').waitFor()
        await shoot('bell-mutes')
        await page.click(`button[aria-label="${say.back}"]`)
        await notice(page).locator('button').click()
        await page.context().setOffline(true)
        await isOffline(page)
        await shoot('bell-offline')
        await one.leave(/./)
      })
    }
  }
}
