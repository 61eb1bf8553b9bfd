-- What a trial is told becomes one JSON object that the database does not read into. 17 digits
-- carry every double over bit for bit.
ALTER TABLE trials ADD COLUMN specification TEXT NOT NULL DEFAULT '{}'
  CHECK (json_valid(specification));
UPDATE trials SET specification = json_object(
  'method', method,
  'size', size,
  'leave_out', json('[' || leave_out || ']'),
  'activation', activation,
  'init_std', json(printf('%!.17g', init_std)),
  'train_layer_norm', json(iif(train_layer_norm, 'true', 'false')),
  'learning_rate', json(printf('%!.17g', learning_rate)),
  'batch_size', batch_size,
  'n_epochs', n_epochs,
  'max_length', max_length,
  'warmup_ratio', json(printf('%!.17g', warmup_ratio)),
  'weight_decay', json(printf('%!.17g', weight_decay)),
  'validation_fraction', json(printf('%!.17g', validation_fraction)),
  'seed', seed);
ALTER TABLE trials DROP COLUMN method;
ALTER TABLE trials DROP COLUMN size;
ALTER TABLE trials DROP COLUMN leave_out;
ALTER TABLE trials DROP COLUMN activation;
ALTER TABLE trials DROP COLUMN init_std;
ALTER TABLE trials DROP COLUMN train_layer_norm;
ALTER TABLE trials DROP COLUMN learning_rate;
ALTER TABLE trials DROP COLUMN batch_size;
ALTER TABLE trials DROP COLUMN n_epochs;
ALTER TABLE trials DROP COLUMN max_length;
ALTER TABLE trials DROP COLUMN warmup_ratio;
ALTER TABLE trials DROP COLUMN weight_decay;
ALTER TABLE trials DROP COLUMN validation_fraction;
ALTER TABLE trials DROP COLUMN seed;
