// Swagger UI's built files bring no types; this is the little of them we use.
declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  export default function SwaggerUI(options: {
    dom_id: string
    url: string
    deepLinking: boolean
    validatorUrl: null
    persistAuthorization: boolean
  }): unknown
}
