"""What is stored, in the forms of others: Neuronpedia's exports, data sets of the Hugging Face hub."""
