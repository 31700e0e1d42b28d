// A user agent in plain words: which browser, on which system. A guess for the eye, never a decision.
import { useI18n } from 'vue-i18n'

export interface Device {
  kind: 'desktop' | 'phone' | 'program'
  browser: string | null
  system: string | null
}

// Order matters: most browsers also claim to be the ones below them.
const browsers: [RegExp, string][] = [
  [/MicroMessenger/, 'WeChat'],
  [/Edg(e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser/, 'Samsung Internet'],
  [/Firefox|FxiOS/, 'Firefox'],
  [/Chrome|CriOS/, 'Chrome'],
  [/Safari\//, 'Safari'],
]
const systems: [RegExp, string][] = [
  [/iPad/, 'iPadOS'],
  [/iPhone|iPod/, 'iOS'],
  [/OpenHarmony|HarmonyOS/, 'HarmonyOS'],
  [/Android/, 'Android'],
  [/CrOS/, 'ChromeOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/Linux|X11/, 'Linux'],
]

export function device(agent: string | null): Device {
  const text = agent ?? ''
  const browser = browsers.find(([sign]) => sign.test(text))?.[1] ?? null
  const system = systems.find(([sign]) => sign.test(text))?.[1] ?? null
  if (browser === null) return { kind: 'program', browser: /^[\w.-]+/.exec(text)?.[0] ?? null, system }
  return { kind: /Mobi|Android|iPhone|iPad/.test(text) ? 'phone' : 'desktop', browser, system }
}

export function useDeviceName() {
  const { t } = useI18n()
  return (agent: string | null): string => {
    const { browser, system } = device(agent)
    if (browser && system) return t('session.device', { browser, system })
    return browser ?? system ?? t('session.unknown')
  }
}
