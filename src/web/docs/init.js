Scalar.createApiReference("#app", {
  url: "/openapi.yaml",
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
});
