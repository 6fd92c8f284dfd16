Scalar.createApiReference("#app", {
  url: "/openapi.yaml",
  authentication: { preferredSecurityScheme: "basicAuth" },
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
});
