"""The report as one HTML file: what is drawn, what is said, and the template that holds both."""
