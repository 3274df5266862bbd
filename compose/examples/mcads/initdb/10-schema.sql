CREATE TABLE patient (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference   text NOT NULL UNIQUE,
    full_name   text NOT NULL,
    born        date NOT NULL
);

CREATE TABLE xray_image (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id  bigint NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
    path        text NOT NULL,
    taken_at    timestamptz NOT NULL,
    thumbnail   bytea
);

CREATE TABLE prediction (
    image_id    bigint NOT NULL REFERENCES xray_image (id) ON DELETE CASCADE,
    pathology   text NOT NULL,
    probability numeric(6, 5) NOT NULL CHECK (probability BETWEEN 0 AND 1),
    PRIMARY KEY (image_id, pathology)
);

CREATE TABLE audit_log (
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    detail      jsonb NOT NULL
) PARTITION BY RANGE (at);

CREATE TABLE audit_log_2025 PARTITION OF audit_log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE audit_log_later PARTITION OF audit_log DEFAULT;

CREATE VIEW likely_finding AS
    SELECT image.path, prediction.pathology, prediction.probability
    FROM prediction JOIN xray_image AS image ON image.id = prediction.image_id
    WHERE prediction.probability > 0.5;

CREATE MATERIALIZED VIEW pathology_count AS
    SELECT pathology, count(*) AS images FROM prediction WHERE probability > 0.5 GROUP BY pathology
    WITH NO DATA;
