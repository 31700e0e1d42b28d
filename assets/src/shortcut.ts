// Single keys that do something on a page: only while the focus is in it, so that no field, menu or dialog loses a letter.
import { onMounted, onUnmounted } from 'vue'

export function useShortcuts(keys: Readonly<Record<string, () => void>>): void {
  function hear(event: KeyboardEvent): void {
    const { target } = event
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    if (!(target instanceof Element) || target.closest('input, select, textarea')) return
    // The body has the focus when nothing else does. Menus and dialogs hang beside the page's content, not in it.
    if (target !== document.body && !target.closest('main')) return
    const act = keys[event.key]
    if (!act) return
    event.preventDefault()
    act()
  }

  onMounted(() => document.addEventListener('keydown', hear))
  onUnmounted(() => document.removeEventListener('keydown', hear))
}
