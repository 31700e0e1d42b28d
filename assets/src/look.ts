// While the inbox is on the screen its member has seen what is in it, and the bell's number goes out on every device.
import { onMounted, onUnmounted, watch } from 'vue'
import { isProblem } from './api'
import { useInbox } from './stores/inbox'

export function useLook(): void {
  const inbox = useInbox()

  async function look(): Promise<void> {
    if (document.visibilityState === 'hidden' || inbox.connection !== 'live') return
    try {
      await inbox.client?.seen()
    } catch (problem) {
      // Nobody asked for it, so nobody is told; the next thing that happens tries again.
      if (!isProblem(problem)) throw problem
    }
  }

  // Not on the count itself: one that is taken back would ask again for ever.
  watch([() => inbox.connection, () => inbox.news], look, { immediate: true })
  onMounted(() => document.addEventListener('visibilitychange', look))
  onUnmounted(() => document.removeEventListener('visibilitychange', look))
}
