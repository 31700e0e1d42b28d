// Two languages, both on board: switching needs no network.
import { createI18n } from 'vue-i18n'
import en from './en'
import zh from './zh-CN'

export const languages = ['en', 'zh-CN'] as const
export type Language = (typeof languages)[number]

/** Each language under its own name, so that whoever cannot read this page still finds it. */
export const languageNames: Record<Language, string> = { en: 'English', 'zh-CN': '简体中文' }

export const i18n = createI18n({
  legacy: false,
  locale: 'en' as Language,
  fallbackLocale: 'en',
  messages: { en, 'zh-CN': zh },
})

/** The first of the browser's languages that we speak. */
export function ofBrowser(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    if (/^zh\b/i.test(tag)) return 'zh-CN'
    if (/^en\b/i.test(tag)) return 'en'
  }
  return 'en'
}
