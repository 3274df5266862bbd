INSERT INTO patient (reference, full_name, born)
SELECT format('P-%s', lpad(n::text, 5, '0')), (ARRAY['Ada Łukasiewicz', 'Chloë O''Brien', 'Nguyễn Văn An', 'Zoë "Z" Müller'])[1 + n % 4] || ' ' || n,
       date '1940-01-01' + (n * 37) % 25000
FROM generate_series(1, 500) AS n;

INSERT INTO xray_image (patient_id, path, taken_at, thumbnail)
SELECT 1 + n % 500, format('xrays/%s/%s.png', 2023 + n % 3, lpad(n::text, 6, '0')), timestamptz '2023-01-01 08:00:00+00' + n * interval '97 minutes',
       decode(md5(n::text), 'hex')
FROM generate_series(1, 2000) AS n;

INSERT INTO prediction (image_id, pathology, probability)
SELECT image, pathology, round((abs(hashtext(image || pathology)) % 100000) / 100000.0, 5)
FROM generate_series(1, 2000) AS image, unnest(ARRAY['Atelectasis', 'Cardiomegaly', 'Effusion', 'Nodule', 'Pneumonia']) AS pathology;

INSERT INTO audit_log (at, actor, detail)
SELECT timestamptz '2024-12-01 00:00:00+00' + n * interval '5 hours', format('user%s', n % 7), jsonb_build_object('action', 'view', 'image', n)
FROM generate_series(1, 300) AS n;

REFRESH MATERIALIZED VIEW pathology_count;
