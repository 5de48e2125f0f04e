-- What was seen, by the minute, and what was said of it.

CREATE TABLE alert_signals (
    rule text NOT NULL,
    about uuid NOT NULL,
    minute bigint NOT NULL,
    seen bigint NOT NULL,
    PRIMARY KEY (rule, about, minute)
);

CREATE TABLE alerts (
    rule text NOT NULL,
    about uuid NOT NULL,
    seen bigint NOT NULL,
    raised_at bigint NOT NULL,
    told_at bigint,
    PRIMARY KEY (rule, about)
);
