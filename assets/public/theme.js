// Runs before the first paint, so that a chosen theme never flashes the other one. The choice is made in stores/preference.ts.
try {
  const theme = localStorage.getItem('bellrope.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage may be forbidden; then the system's theme holds.
}
