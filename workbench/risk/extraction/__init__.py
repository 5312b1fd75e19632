"""From a store or from plain tables to the data of a study: nothing in them was known at or after the prediction."""
