def rows(*_):
    return []
