// Starts GraphiQL. Everything goes to POST /graphql; subscriptions are answered there as server-sent events, so that the
// headers editor serves them too.
"use strict";

const sample = `# Put a token into "Headers" below: { "Authorization": "Bearer ..." }
{
  __typename
}
`;

const kindOf = (document, name) => {
  const operations = document.definitions.filter((definition) => definition.kind === "OperationDefinition");
  const chosen = operations.find((operation) => operation.name && operation.name.value === name) ?? operations[0];
  return chosen ? chosen.operation : "query";
};

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n");
        text = text.slice(end + 2);
        if (lines.includes("event: complete")) return;
        const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
        if (data.length > 0) yield JSON.parse(data.join("\n"));
      }
    }
  } finally {
    reader.cancel();
  }
}

const post = (parameters, headers, accept) =>
  fetch("/graphql", {
    method: "POST",
    credentials: "omit",
    headers: { ...headers, "Content-Type": "application/json", Accept: accept },
    body: JSON.stringify(parameters),
  });

const listen = async function* (parameters, headers) {
  const response = await post(parameters, headers, "text/event-stream");
  const isStream = (response.headers.get("Content-Type") ?? "").startsWith("text/event-stream");
  if (isStream) yield* events(response.body);
  else yield await response.json();
};

const fetcher = (parameters, { headers = {}, documentAST } = {}) => {
  if (documentAST && kindOf(documentAST, parameters.operationName) === "subscription") return listen(parameters, headers);
  return post(parameters, headers, "application/graphql-response+json, application/json;q=0.9").then((response) => response.json());
};

ReactDOM.render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultQuery: sample,
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  }),
  document.getElementById("graphiql"),
);
