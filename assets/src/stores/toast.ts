// Short notices at the edge of the page, announced politely; components/ToastArea.vue shows them.
import { defineStore } from 'pinia'
import { ref } from 'vue'

export interface Toast {
  id: number
  text: string
  failed: boolean
  /** Takes back what the toast tells of. */
  undo?: () => void
}

/** More at once would cover the page; the oldest gives way. */
const toasts_max = 3

export const useToast = defineStore('toast', () => {
  const items = ref<Toast[]>([])
  let nextId = 1

  const push = (toast: Omit<Toast, 'id'>) => {
    items.value = [...items.value, { id: nextId++, ...toast }].slice(-toasts_max)
  }
  const done = (text: string, undo?: () => void) => push({ text, failed: false, undo })
  const failed = (text: string) => push({ text, failed: true })
  const close = (id: number) => (items.value = items.value.filter((item) => item.id !== id))

  return { items, done, failed, close }
})
