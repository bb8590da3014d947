const page = document.getElementById("api");
const all = page.dataset.document === "/docs/gx.json"; // its tags are the services

SwaggerUIBundle({
  domNode: page,
  url: page.dataset.document,
  validatorUrl: null, // which would send the document to another host
  deepLinking: true,
  filter: all,
  tagsSorter: "alpha",
  docExpansion: all ? "none" : "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  requestSnippetsEnabled: true,
});
