-- Where texts may go, what may be spent on them, and what was: numbers only, no text.

ALTER TABLE assistants ADD COLUMN fallback_models text NOT NULL DEFAULT '';

CREATE TABLE processing_policies (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    transfers text NOT NULL,
    monthly_tokens bigint,
    monthly_micros bigint,
    corrector text,
    visitors_may_correct boolean NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id)
);

CREATE TABLE correction_grounds (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    concern text NOT NULL,
    ground text NOT NULL,
    recorded_by uuid,
    recorded_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, concern)
);

CREATE TABLE usage_days (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    day bigint NOT NULL,
    route text NOT NULL,
    kind text NOT NULL,
    calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    micros bigint NOT NULL,
    PRIMARY KEY (workspace_id, day, route, kind)
);

CREATE TABLE usage_months (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    month bigint NOT NULL,
    tokens bigint NOT NULL,
    micros bigint NOT NULL,
    warned_at bigint,
    stopped_at bigint,
    PRIMARY KEY (workspace_id, month)
);
