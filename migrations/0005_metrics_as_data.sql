-- What a trial reports becomes a JSON object that the database does not read into; a number that
-- was not measured is not in it. 17 digits carry every double over bit for bit.
ALTER TABLE checkpoints ADD COLUMN metrics TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metrics));
UPDATE checkpoints SET metrics = json_object(
  'train_loss', json(printf('%!.17g', train_loss)),
  'train_accuracy', json(printf('%!.17g', train_accuracy)),
  'valid_loss', json(printf('%!.17g', valid_loss)),
  'valid_accuracy', json(printf('%!.17g', valid_accuracy)),
  'valid_macro_f1', json(printf('%!.17g', valid_macro_f1)));
ALTER TABLE checkpoints DROP COLUMN train_loss;
ALTER TABLE checkpoints DROP COLUMN train_accuracy;
ALTER TABLE checkpoints DROP COLUMN valid_loss;
ALTER TABLE checkpoints DROP COLUMN valid_accuracy;
ALTER TABLE checkpoints DROP COLUMN valid_macro_f1;

ALTER TABLE metric_points ADD COLUMN metrics TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metrics));
-- json_patch leaves out what is null.
UPDATE metric_points SET metrics = json_patch('{}', json_object(
  'train_loss', json(printf('%!.17g', train_loss)),
  'train_accuracy', json(printf('%!.17g', train_accuracy)),
  'valid_loss', json(iif(valid_loss IS NULL, 'null', printf('%!.17g', valid_loss))),
  'valid_accuracy', json(iif(valid_accuracy IS NULL, 'null', printf('%!.17g', valid_accuracy)))));
ALTER TABLE metric_points DROP COLUMN train_loss;
ALTER TABLE metric_points DROP COLUMN train_accuracy;
ALTER TABLE metric_points DROP COLUMN valid_loss;
ALTER TABLE metric_points DROP COLUMN valid_accuracy;
