// Language and theme, kept in this browser: the browser's own wish until somebody chooses.
import { defineStore } from 'pinia'
import { ref, watchEffect } from 'vue'
import { i18n, languages, ofBrowser, type Language } from '../i18n'

const languageKey = 'bellrope.language'
/** Read by public/theme.js too, before the first paint. */
const themeKey = 'bellrope.theme'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

export const usePreference = defineStore('preference', () => {
  const language = ref<Language>(
    oneOf(languages, localStorage.getItem(languageKey)) ?? ofBrowser(navigator.languages),
  )
  const theme = ref<Theme>(oneOf(themes, localStorage.getItem(themeKey)) ?? 'system')

  watchEffect(() => {
    i18n.global.locale.value = language.value
    document.documentElement.lang = language.value
  })
  watchEffect(() => {
    if (theme.value === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme.value
  })
  addEventListener('storage', (event) => {
    if (event.key === languageKey) language.value = oneOf(languages, event.newValue) ?? language.value
    if (event.key === themeKey) theme.value = oneOf(themes, event.newValue) ?? 'system'
  })

  function chooseLanguage(next: Language): void {
    language.value = next
    localStorage.setItem(languageKey, next)
  }

  function chooseTheme(next: Theme): void {
    theme.value = next
    localStorage.setItem(themeKey, next)
  }

  return { language, theme, chooseLanguage, chooseTheme }
})

function oneOf<T extends string>(all: readonly T[], value: string | null): T | undefined {
  return all.find((one) => one === value)
}
