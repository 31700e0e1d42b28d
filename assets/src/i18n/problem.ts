// A Problem in the reader's words: by its code, by the field where one is at fault, else as the server put it.
import { useI18n } from 'vue-i18n'
import type { Problem } from '../api'

export function useProblemWords() {
  const { t, te, locale } = useI18n()

  /** `place` is a page with words of its own for some codes, e.g. `setup`. */
  function words(problem: Problem, place?: string): string {
    const own = `${place}.problem.${problem.code}`
    if (place && te(own)) return t(own)
    // A field inside another, `actor.id`, has the words of the outer one.
    const field = `problem.field.${problem.field?.split('.')[0]}`
    if (problem.code === 'field_invalid' && problem.field && te(field)) return t(field)
    const general = `problem.${problem.code}`
    if (te(general)) return t(general, { when: when(problem.retry_after_s) })
    return problem.detail || t('problem.unexpected')
  }

  function when(wait_s: number | undefined): string {
    if (wait_s === undefined || wait_s < 1) return t('problem.soon')
    const relative = new Intl.RelativeTimeFormat(locale.value)
    return wait_s < 90 ? relative.format(wait_s, 'second') : relative.format(Math.ceil(wait_s / 60), 'minute')
  }

  return words
}
