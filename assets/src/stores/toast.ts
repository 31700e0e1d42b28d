// Short notices at the edge of the page, announced politely; components/ToastArea.vue shows them.
import { defineStore } from 'pinia'
import { ref } from 'vue'

export interface Toast {
  id: number
  text: string
  failed: boolean
}

/** More at once would cover the page; the oldest gives way. */
const toasts_max = 3

export const useToast = defineStore('toast', () => {
  const items = ref<Toast[]>([])
  let nextId = 1

  const push = (text: string, failed: boolean) => {
    items.value = [...items.value, { id: nextId++, text, failed }].slice(-toasts_max)
  }
  const done = (text: string) => push(text, false)
  const failed = (text: string) => push(text, true)
  const close = (id: number) => (items.value = items.value.filter((item) => item.id !== id))

  return { items, done, failed, close }
})
