// What every form does: check that it is filled in, send once at a time, put what went wrong where it belongs.
import { computed, nextTick, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { Problem } from './api'
import { useProblemWords } from './i18n/problem'

/** The server's rule too; said here first, before a password is sent and hashed in vain. */
const password_bytes_min = 8

/**
 * `place` is the page whose own words for problems come first; `newPassword` the field that has to be long enough;
 * `optional` are fields that may stay empty, but where a problem of theirs is shown all the same.
 */
export function useForm<Field extends string>(
  options: { place?: string; newPassword?: Field; optional?: readonly Field[] } = {},
) {
  const { t } = useI18n()
  const words = useProblemWords()
  const busy = ref(false)
  const problem = shallowRef<Problem | null>(null)
  const wrong = ref<Partial<Record<string, 'empty' | 'short'>>>({})
  let fields: readonly string[] = []

  const error = computed(() => {
    const found = problem.value
    if (!found || fields.includes(fieldOf(found))) return ''
    return words(found, options.place)
  })

  function errorOf(field: Field): string {
    const found = wrong.value[field]
    if (found) return t(`field.${found}`)
    return problem.value && fieldOf(problem.value) === field ? words(problem.value, options.place) : ''
  }

  async function submit(
    values: Partial<Record<Field, string>>,
    send: () => Promise<unknown>,
  ): Promise<boolean> {
    if (busy.value) return false
    fields = [...Object.keys(values), ...(options.optional ?? [])]
    problem.value = null
    wrong.value = {}
    for (const [field, value] of Object.entries(values) as [string, string][]) {
      if (value === '') wrong.value[field] = 'empty'
      else if (field === options.newPassword && bytes(value) < password_bytes_min)
        wrong.value[field] = 'short'
    }
    if (Object.keys(wrong.value).length === 0) {
      busy.value = true
      try {
        await send()
        return true
      } catch (reason) {
        if (!(reason instanceof Problem)) throw reason
        problem.value = reason
      } finally {
        busy.value = false
      }
    }
    await nextTick()
    document.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
    return false
  }

  return { busy, error, errorOf, submit }
}

/** The field at fault; of one inside another, `actor.id`, the outer one. */
function fieldOf(problem: Problem): string {
  return problem.field?.split('.')[0] ?? ''
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length
}
