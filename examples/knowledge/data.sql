-- The data of the incident: 85 experts and 26,337 knowledge nodes, on top of what the application seeds.
INSERT INTO experts (name) SELECT 'Expert ' || n FROM generate_series(2, 85) AS n;
INSERT INTO knowledge_nodes (expert_id, content) SELECT 1 + n % 85, 'what expert ' || 1 + n % 85 || ' knows, part ' || n FROM generate_series(28, 26337) AS n;
