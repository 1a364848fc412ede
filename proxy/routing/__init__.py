"""Who may come in, and where a request goes: the gate, the catalog of models, and slots."""
