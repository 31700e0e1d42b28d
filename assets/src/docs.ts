// The page to try the API: Swagger UI on the description the server makes from its own code.
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js'
import 'swagger-ui-dist/swagger-ui.css'
import './docs.css'

const chosen = document.documentElement.dataset.theme
const dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
document.documentElement.classList.toggle('dark-mode', dark)

SwaggerUI({
  dom_id: '#docs',
  url: '/api/openapi.json',
  deepLinking: true,
  // No outside service may see the description, and no token outlives the page.
  validatorUrl: null,
  persistAuthorization: false,
})
