-- Tasks are listed from their first version on: a list of tasks walks these, not tasks that nothing was learned for.
CREATE INDEX first_versions ON adapter_versions (customer_id, task_id) WHERE number = 1;
