// The member's number. What the server confirmed only ever grows; what was pressed shows at once and can be taken back.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { post } from '../api'

export const useCounter = defineStore('counter', () => {
  const known = ref<number | null>(null)
  const changedAt = ref<string | null>(null)
  /** The numbers promised by presses that the server has not answered yet, ascending. */
  const hoped = ref<number[]>([])
  /** Which account the number belongs to: an answer that comes after a reset is somebody else's. */
  let era = 0

  const age = computed(() => (known.value === null ? null : Math.max(known.value, ...hoped.value)))

  /** What `GET /me` says. It may be older than what a socket has said meanwhile, so it never lowers the number. */
  function read(number: number, at: string | null): void {
    if (known.value !== null && number < known.value) return
    known.value = number
    changedAt.value = at
  }

  /** What a socket or an answer says: a number, but not when it came about. */
  function hear(number: number): void {
    if (known.value !== null && number <= known.value) return
    known.value = number
    changedAt.value = new Date().toISOString()
  }

  async function add(): Promise<void> {
    if (age.value === null) return
    const mine = age.value + 1
    const asked = era
    hoped.value = [...hoped.value, mine]
    try {
      const answer = await post<{ age: number }>('/me/age')
      if (asked !== era) return
      hear(answer.age)
      drop(mine)
    } catch (problem) {
      if (asked !== era) throw problem
      // Whoever pressed after a press that failed was promised one too many.
      drop(mine)
      hoped.value = hoped.value.map((number) => (number > mine ? number - 1 : number))
      throw problem
    }
  }

  function drop(number: number): void {
    const at = hoped.value.indexOf(number)
    if (at >= 0) hoped.value = hoped.value.toSpliced(at, 1)
  }

  function reset(): void {
    era += 1
    known.value = null
    changedAt.value = null
    hoped.value = []
  }

  return { age, changedAt, read, hear, add, reset }
})
